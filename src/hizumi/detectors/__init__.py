"""Anomaly detectors, one file each; the registry finds them here."""

from hizumi.detectors.alad import ALAD
from hizumi.detectors.alocc import ALOCC
from hizumi.detectors.anogan import AnoGAN
from hizumi.detectors.con_ad import ConAD
from hizumi.detectors.control_chart import ControlChart, Drift, Part, Watch
from hizumi.detectors.conv_ae_one_class_svm import ConvAEOneClassSVM
from hizumi.detectors.cross_channel import CrossChannel
from hizumi.detectors.dbn_one_class_svm import DBNOneClassSVM
from hizumi.detectors.deep_one_class import DeepOneClass
from hizumi.detectors.deep_svdd import DeepSVDD
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.distillation import Distillation
from hizumi.detectors.egbad import EGBAD
from hizumi.detectors.ensemble import Ensemble
from hizumi.detectors.f_anogan import FAnoGAN
from hizumi.detectors.ganomaly import GANomaly
from hizumi.detectors.gaussian_features import GaussianFeatures
from hizumi.detectors.gaussian_mixture import GaussianMixture
from hizumi.detectors.likelihood import Likelihood
from hizumi.detectors.mahalanobis import Mahalanobis
from hizumi.detectors.nearest_features import NearestFeatures
from hizumi.detectors.one_class_svm import OneClassSVM
from hizumi.detectors.pca import PCA
from hizumi.detectors.reconstruction import Reconstruction
from hizumi.detectors.skip_ganomaly import SkipGANomaly

__all__ = [
    "ALAD",
    "ALOCC",
    "EGBAD",
    "PCA",
    "AnoGAN",
    "Anomaly",
    "ConAD",
    "ControlChart",
    "ConvAEOneClassSVM",
    "CrossChannel",
    "DBNOneClassSVM",
    "DeepOneClass",
    "DeepSVDD",
    "Detector",
    "Distillation",
    "Drift",
    "Ensemble",
    "FAnoGAN",
    "GANomaly",
    "GaussianFeatures",
    "GaussianMixture",
    "Likelihood",
    "Mahalanobis",
    "NearestFeatures",
    "OneClassSVM",
    "Part",
    "Reconstruction",
    "SkipGANomaly",
    "Watch",
]
