"""A proven cause and the line that made its layer -> the smallest edit of the user's file that mends it."""
