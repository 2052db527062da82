"""Questions and answers of bank customers, generated from templates; standard library only."""
