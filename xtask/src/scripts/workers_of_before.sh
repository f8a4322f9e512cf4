# Gives the work back to the workers that compose had started before the first deploy.
give_back "$1"
