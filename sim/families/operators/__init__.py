"""Operators of one's own: any kind, any number of controllers, each manager in a process of its own."""
