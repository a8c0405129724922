"""Symbols of well-known networks, written with whatever module is given: cyexec, or MXNet where golden files are made.

>>> from tests import networks
>>> network = networks.NETWORKS["resnet18_v1"]
>>> symbol = network.build(mx)                         # ends in SoftmaxOutput; its label is `softmax_label`
>>> symbol.simple_bind(mx.cpu(), **network.shapes(32))  # labels follow from the data

One file per family: `plain` (chains of layers), `residual`, `mobile`, `branched` (inception, squeezenet), `dense`
(densenet, unet), `recurrent`. Layers are the published ones, so that sizes are those of checkpoints in use; names of layers
are our own. Nothing here imports either library, and the code runs on Python 3.8, which MXNet needs.
"""

from .branched import inception_bn, inception_v3, squeezenet
from .dense import densenet, unet
from .mobile import mobilenet_v1, mobilenet_v2
from .network import Network
from .plain import alexnet, lenet, mlp, vgg
from .recurrent import lstm
from .residual import resnet20, resnet_v1, resnet_v2

__all__ = ["NETWORKS", "Network"]

_IMAGE = (3, 224, 224)

NETWORKS = {
    "mlp": Network(mlp, (784,)),
    "lenet": Network(lenet, (1, 28, 28)),
    "lstm": Network(lstm, (35,)),
    "resnet20": Network(resnet20, (3, 32, 32)),
    "resnet18_v1": Network(lambda mx: resnet_v1(mx, 18), _IMAGE),
    "resnet18_v2": Network(lambda mx: resnet_v2(mx, 18), _IMAGE),
    "resnet50_v1": Network(lambda mx: resnet_v1(mx, 50), _IMAGE),
    "resnet50_v2": Network(lambda mx: resnet_v2(mx, 50), _IMAGE),
    "mobilenet1.0": Network(lambda mx: mobilenet_v1(mx, 1.0), _IMAGE),
    "mobilenet0.25": Network(lambda mx: mobilenet_v1(mx, 0.25), _IMAGE),
    "mobilenetv2_1.0": Network(lambda mx: mobilenet_v2(mx, 1.0), _IMAGE),
    "mobilenetv2_0.25": Network(lambda mx: mobilenet_v2(mx, 0.25), _IMAGE),
    "alexnet": Network(alexnet, _IMAGE),
    "vgg11": Network(lambda mx: vgg(mx, 11), _IMAGE),
    "vgg16": Network(lambda mx: vgg(mx, 16), _IMAGE),
    "squeezenet1.0": Network(lambda mx: squeezenet(mx, "1.0"), _IMAGE),
    "squeezenet1.1": Network(lambda mx: squeezenet(mx, "1.1"), _IMAGE),
    "inception_bn": Network(inception_bn, _IMAGE),
    "inception_v3": Network(inception_v3, (3, 299, 299)),
    "densenet121": Network(lambda mx: densenet(mx, 121), _IMAGE),
    "unet": Network(unet, (1, 128, 128)),
}
