"""Anomaly detectors, one file each; the registry finds them here."""

from hizumi.detectors.detector import Anomaly, Detector, Preset
from hizumi.detectors.ganomaly import GANomaly
from hizumi.detectors.gaussian_features import GaussianFeatures
from hizumi.detectors.gaussian_mixture import GaussianMixture
from hizumi.detectors.likelihood import Likelihood
from hizumi.detectors.mahalanobis import Mahalanobis
from hizumi.detectors.one_class_svm import OneClassSVM
from hizumi.detectors.reconstruction import Reconstruction

__all__ = [
    "Anomaly",
    "Detector",
    "GANomaly",
    "GaussianFeatures",
    "GaussianMixture",
    "Likelihood",
    "Mahalanobis",
    "OneClassSVM",
    "Preset",
    "Reconstruction",
]
