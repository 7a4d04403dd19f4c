"""The ten animals, in the order of the output's columns and of the pack's class numbers."""

CLASS_NAMES: tuple[str, ...] = (
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
)
CLASS_COUNT = len(CLASS_NAMES)
CAT, DOG = CLASS_NAMES.index("cat"), CLASS_NAMES.index("dog")

# Grey value of the padding, as the detector's manifest has it for this output family.
PADDING = 114
