"""Messages to other programs about how jobs ended: to whom, kept until sent, signed."""
