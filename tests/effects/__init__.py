"""Call every open function with generated arguments in a place where each effect is seen."""
