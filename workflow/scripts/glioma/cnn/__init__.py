"""The CNN arm: 3D networks that grade or segment a cropped scan.

Modules, each depending only on those before it:

- `recipe`    what the configuration says about one network, checked (no torch)
- `networks`  the published classifier and segmenter, and any network of MONAI by name
- `losses`    Dice, binary cross-entropy, their sum
- `data`      crops from disk, resampled, normalised, balanced by grade, augmented
- `device`    CUDA if present, else one CPU thread
- `train`     one fold: best epoch by validation, learning-rate sweep, exact resume
- `predict`   out-of-fold, training and test predictions of a network's folds
"""
