"""From a staged data file to rows of one of three kinds: conversations, documents, labelled texts."""
