"""Numbers and words at random, those at the edges more often than others."""

EDGES = (0, 1, 2, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1)

WORDS = (
    *('is', 'the', 'red', 'car', 'where', 'how', 'far', 'mug', '?', 'left', 'of', 'which'),
    *('camera', 'sees', '\n', '\t', '\u200b', '\u202e', 'ё', '漢字', '🚗', "'; DROP TABLE"),
    *('%s', '{}', '\\x00', '<s>', '</s>', '<answer>', '\ufffd', '\x7f'),
)


def whole_number(chance, most):
    return (
        chance.choice(EDGES) % (most + 1) if chance.random() < 0.2 else chance.randrange(most + 1)
    )


def text(chance, most=12):
    if chance.random() < 0.1:
        return ''.join(chr(chance.randrange(1, 0xD800)) for _ in range(chance.randrange(400)))
    words = ' '.join(chance.choices(WORDS, k=chance.randrange(most)))
    return words * chance.randrange(1, 500) if chance.random() < 0.02 else words
