"""What a pack's archive holds, found out without running it."""
