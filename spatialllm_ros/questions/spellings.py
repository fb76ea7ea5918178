"""Other words that are read as one of ours: spellings, contractions, names of the same thing.

They are replaced before a text is split, so a model has nothing to learn for them.
"""

from __future__ import annotations

READ_AS: dict[str, tuple[str, ...]] = {
    "'": ('\u2019',),
    'aeroplane': ('airplane', 'plane'),
    'aeroplanes': ('airplanes', 'planes'),
    'cabinet': ('cupboard',),
    'cabinets': ('cupboards',),
    'block': ('table', 'desk', 'platform'),
    'crate': ('box',),
    'crates': ('boxes',),
    'monitor': ('screen',),
    'monitors': ('screens',),
    'mug': ('cup',),
    'mugs': ('cups',),
    'people': ('persons', 'humans'),
    'person': ('human',),
    'sofa': ('couch',),
    'sofas': ('couches',),
    'truck': ('lorry',),
    'trucks': ('lorries',),
    'large': ('big',),
    'small': ('little',),
    'purple': ('violet',),
    'colour': ('color',),
    'metres': ('meters',),
    'floor': ('ground',),
    'image': ('picture', 'photo'),
    'object': ('thing', 'item'),
    'objects': ('things', 'items'),
    'farther': ('further',),
    'farthest': ('furthest',),
    'towards': ('toward',),
    'under': ('underneath', 'beneath'),
    'next to': ('adjacent to',),
    'can you': ('could you',),
    'how is': ("how's",),
    'there is': ("there's",),
    'what is': ("what's",),
    'where is': ("where's",),
    '': (', please', 'please,', 'please'),
}
"""What a text is read as, and what people write for it; marks before the words that hold them."""
