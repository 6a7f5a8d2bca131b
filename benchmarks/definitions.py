"""What the words, intervals and limits in a report mean, each with its source."""

from __future__ import annotations

CAPTIONS = {
    "roc": (
        "ROC: the share of genuine comparisons that are accepted (TAR) over the share of impostor comparisons that are "
        "accepted (FMR). Higher is better. Marks are the operating points of the tables, bars their 95 % intervals. "
        "The vertical axis starts where the curves do, the horizontal one is logarithmic."
    ),
    "det": (
        "DET: the same as errors. Lower and further left is better. Both axes are logarithmic; on the dashed line both "
        "errors are equal. What lies in the shaded region rests on fewer than three errors."
    ),
    "histogram": (
        "How similar comparisons of one person and of two people are, with the threshold for each FMR. The vertical "
        "axis is logarithmic: what decides about errors are the tails."
    ),
    "cmc": (
        "CMC: the share of searches whose right person is among the most similar people, up to a rank, with everybody "
        "enrolled. Higher is better. Bands are 95 % intervals."
    ),
}
"""Under each picture."""

DEFINITIONS = (
    (
        "Similarity",
        'Cosine of the angle between the embeddings of two faces, from -1 to 1. A comparison says "same person" when '
        "it is at or above a threshold. It is genuine if both photos show one person, impostor if they show two.",
    ),
    (
        "FMR, false-match rate",
        "Share of impostor comparisons at or above the threshold (ISO/IEC 19795-1). The literature on faces says FAR.",
    ),
    (
        "FNMR, false-non-match rate, and TAR",
        "Share of genuine comparisons below the threshold (ISO/IEC 19795-1); TAR = 1 - FNMR is what is accepted.",
    ),
    (
        "Threshold at an FMR",
        "The least similarity of six decimals at which the measured FMR is not above the one asked for.",
    ),
    (
        "Failure to enrol",
        "A photo in which no face was found, or none that could be aligned (ISO/IEC 19795-1). It matches nobody: in "
        'the protocol\'s list its comparisons are answered "different"; among all comparisons, those with photos of '
        "the same person count as false non-matches, and it is in no impostor comparison. Nothing is dropped.",
    ),
    (
        "Accuracy",
        "Share of right answers. On each fold it is counted at the threshold that gives the most right answers on all "
        "other folds; the mean over the folds is stated. ± is the standard deviation over the folds (dividing by their "
        "number), as in the literature; the standard error is the sample deviation over the root of the number of "
        "folds (G. B. Huang et al., Labeled Faces in the Wild, University of Massachusetts, TR 07-49, 2007).",
    ),
    (
        "EER, equal error rate",
        "The rate at which FMR and FNMR are equal, where the ROC polygon crosses the line of equal errors.",
    ),
    (
        "AUC, area under the ROC",
        "The chance that a genuine comparison is more similar than an impostor one, ties counted half (J. A. Hanley "
        "and B. J. McNeil, Radiology 143, 1982).",
    ),
    (
        "ROC and DET",
        "Receiver operating characteristic; detection error trade-off (A. Martin et al., Eurospeech 1997).",
    ),
    (
        "Rule of three",
        "No error in N independent trials still leaves a rate of up to 3 / N possible, at 95 % confidence (J. A. "
        "Hanley and A. Lippman-Hand, JAMA 249, 1983; ISO/IEC 19795-1). No figure is stated at a rate below that.",
    ),
)
"""Term and meaning."""

OF_COMPARISON = (
    "McNemar's test",
    "Looks only at comparisons that exactly one of two systems answers rightly; if both are equally good, each of "
    "these is a toss of a fair coin. p is the chance of a split at least as uneven, two-sided and exact (Q. McNemar, "
    "Psychometrika 12, 1947). It takes comparisons as independent; where they share people, p is too small.",
)
"""Where systems are compared."""

OF_IDENTIFICATION = (
    "Identification",
    "A search compares a photo with everybody in a gallery. Closed set: everybody is in it, and the identification "
    "rate at rank R is the share of searches with the right person among the R most similar. Open set: some people are "
    "not in it. FPIR is the share of their searches with any candidate at or above the threshold; FNIR the share of "
    "the other searches without the right person among the candidates that count (ISO/IEC 19795-1; P. Grother et al., "
    "NISTIR 8271, 2019). Mean ± standard deviation over random draws of who is in the gallery, and with which photo.",
)
"""Where somebody is searched for."""

METHODS = (
    (
        "Wilson: for a rate of independent cases (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927). Comparisons that share "
        "people are not independent; on its own this interval is then too narrow."
    ),
    (
        "Bootstrap over people: the figure is computed anew for 1,000 random draws of people with replacement, all "
        "comparisons of a person together, thresholds chosen anew in each draw; the interval holds 95 % of the results "
        "(R. M. Bolle et al., Computer Vision and Image Understanding 93, 2004; R. Fogliato et al., International "
        "Journal of Computer Vision, 2024). It is rather too wide than too narrow (A. B. Owen, Annals of Applied "
        "Statistics 1, 2007). Differences of two systems use the same draws for both."
    ),
    (
        "Newcombe: for the difference of two rates, from the Wilson interval of each (R. G. Newcombe, Statistics in "
        "Medicine 17, 1998, method 10): of two TARs, or of the pairs that only one and only the other system answers "
        "rightly. It takes the two rates as independent; for TARs on the same photos that is too wide."
    ),
    (
        "The wider of two: at each end the one that reaches further, because a bootstrap cannot produce errors that "
        "the data do not have. For EER and AUC, Wilson's is that of as many cases as there are comparisons of the "
        "rarer kind."
    ),
)
"""How an interval can be made."""

CAVEATS = (
    (
        "The figures hold for photos and people like these. Light, pose, age, camera and the mix of people all move "
        "them; measure on your own people before you rely on a threshold."
    ),
    (
        "An interval covers the chance in the choice of people and comparisons. It does not cover wrong labels, "
        "duplicate photos, or a data set that is unlike the intended use."
    ),
    (
        "Networks are trained on photos of the web. Where people of this data set were among them, accuracy looks "
        "better than it will be on strangers."
    ),
    "Error rates differ between groups of people (P. Grother et al., NISTIR 8280, 2019). Averages hide that.",
)
"""What holds for every data set."""

LFW_CAVEATS = (
    (
        "LFW holds press photos of public figures: mostly adult, well lit and facing the camera, all found by one face "
        "detector (Viola and Jones) and therefore easy to detect."
    ),
    (
        "LFW has known label errors, and people whose name is spelled in two ways. At the lowest rates they, and not "
        "the network, decide: look at the worst errors before you trust an FMR of 1e-5 or less."
    ),
    "Many systems err on less than 1 % of its 6,000 pairs. A difference of 0.1 points is six pairs.",
)
"""What else holds for LFW."""
