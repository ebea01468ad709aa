"""The CNN arm: 3D networks that grade or segment a cropped scan, 2D networks that grade its slices.

Modules, each depending only on those before it:

- `recipe`      what the configuration says about one network, checked (no torch)
- `networks`    the published classifier and segmenter, a small network for slices, and any network of MONAI by name
- `losses`      Dice, binary cross-entropy, their sum; cross-entropy for slices
- `data`        crops from disk, resampled, normalised, balanced by grade, augmented
- `device`      CUDA if present, else one CPU thread
- `validation`  AUC and Dice of one validation
- `train`       one fold: best epoch by validation or the last one, learning-rate sweep, exact resume
- `predict`     out-of-fold, training and test predictions of a network's folds
"""
