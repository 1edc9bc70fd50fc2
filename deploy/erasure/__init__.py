"""An article's or an outlet's erasure: from every topic, state and row, with proof, and never back again."""
