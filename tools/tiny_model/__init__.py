"""The recipe of the small model that ships: render, train, export, evaluate."""
