"""The forms, a module for each area: what may be typed, and the sentences that say what is wrong with it."""
