"""What is above single scores: declared pairs, the leak audit, and the published tables re-analysed."""
