"""What people look at: learning curves and films.  The same results give the same bytes."""
