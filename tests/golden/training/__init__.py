"""What MXNet's training library answers, asked by the same code that asks cyexec."""
