"""The exception tree. Every message says what was expected, what was found and what to do.

SpatialLLMError
├── ConfigError                 a parameter, recipe or file that says something impossible
├── BundleError                 a model bundle that is missing, truncated, altered or foreign
├── EngineError                 an engine that cannot be loaded or that failed while running
│   └── ReplyError              what a server replies to one question is no answer
├── DepthError                  a depth image that does not tell how far something is
├── GeometryError               points or directions for which the asked quantity does not exist
├── SceneError                  a scene that cannot be rendered, read or written
├── TrainingGateError           a training stage that did not reach what the next one needs
├── TrainingDivergedError       a training run whose loss or gradient is no number any more
├── AnswerParseError            the model's words do not follow the answer grammar
├── BusyError                   no room for another question now
├── CancelledError              a question that its caller, or a shutdown, ended early
├── AnswerTimeoutError          a question without an answer within its time limit
├── ProcessError                a process of the demo that ended before it should
└── InputError                  something a caller sent
    ├── QuestionError           an empty, oversized or unreadable question
    ├── ImageError              an image whose size, encoding or data do not fit together
    ├── RecordingError          a recording that is missing, damaged or without images
    ├── UnknownCameraError      a camera name that is not configured
    ├── NoFrameError            no image has arrived yet
    ├── StaleFrameError         the newest image is older than allowed
    └── UncalibratedCameraError a metric answer was asked of a camera without intrinsics
"""


class SpatialLLMError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(SpatialLLMError):
    """A parameter, recipe or file says something impossible."""


class BundleError(SpatialLLMError):
    """A model bundle is missing, truncated, altered or made for something else."""


class EngineError(SpatialLLMError):
    """An inference engine cannot be loaded or failed while running."""


class ReplyError(EngineError):
    """A server refuses one question, or what it replies is no answer; others it may answer."""


class DepthError(SpatialLLMError):
    """No depth image tells how far something is."""


class GeometryError(SpatialLLMError):
    """Points or directions for which the asked quantity does not exist."""


class SceneError(SpatialLLMError):
    """A scene cannot be rendered, read or written."""


class TrainingGateError(SpatialLLMError):
    """A training stage did not reach what the next stage needs."""


class TrainingDivergedError(SpatialLLMError):
    """A training run's loss or gradient is no number any more."""


class AnswerParseError(SpatialLLMError):
    """The model's words do not follow the answer grammar."""


class BusyError(SpatialLLMError):
    """There is no room for another question now."""


class CancelledError(SpatialLLMError):
    """A question was ended early by its caller or by a shutdown."""


class AnswerTimeoutError(SpatialLLMError):
    """A question has no answer within its time limit."""


class ProcessError(SpatialLLMError):
    """A process of the demo ended before it should."""


class InputError(SpatialLLMError):
    """Something a caller sent cannot be used."""


class QuestionError(InputError):
    """A question is empty, too long or not text."""


class ImageError(InputError):
    """An image's size, encoding and data do not fit together."""


class RecordingError(InputError):
    """A recording is missing, damaged or without the images that were asked for."""


class UnknownCameraError(InputError):
    """A camera name is not one of the configured ones."""


class NoFrameError(InputError):
    """No image has arrived from the camera yet."""


class StaleFrameError(InputError):
    """The newest image is older than the caller allows."""


class UncalibratedCameraError(InputError):
    """A metric answer was asked of a camera whose intrinsics are unknown."""
