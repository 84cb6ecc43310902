"""What people read: LaTeX, plots, reports. No mathematics in here."""
