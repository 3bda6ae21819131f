-- The version of the game, which players see.
return "1.0"
