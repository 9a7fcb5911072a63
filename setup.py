"""Installs mmdmcp.

Everything static is here; ``pyproject.toml`` holds the build requirement
and the settings of the tools.
"""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent

# Each bound with its reason. None of them forces mmcv or mmcv-lite: the two
# must never share an environment, so the user chooses (extra 'lite' is the
# easy choice; mmdet and mmseg need mmcv with its compiled operators).
REQUIREMENTS = [
    # 2.6 is the first torch that loads checkpoints with weights_only=True by
    # default and takes (function, name) pairs in the allow-list this needs;
    # 2.15 is the newest release that mmrazor's import was repaired on.
    'torch>=2.6,<2.16',
    # mmpretrain imports torchvision without declaring it; 0.21 is torch 2.6's.
    'torchvision>=0.21',
    # compat.py and engine/launch.py work around what this release does.
    'mmengine>=0.10.7,<0.11',
    # The newest releases; mmrazor 1.0 asserts mmcv <= 2.1.0.
    'mmpretrain>=1.2,<1.3',
    'mmrazor>=1.0,<1.1',
    # mmrazor imports joblib without declaring it.
    'joblib>=1.2',
    'ordered-set>=4.1',
    # 1.26 is the first for Python 3.12; a third major release may break what
    # the second broke once already, compiled extensions.
    'numpy>=1.26,<3',
    'PyYAML>=6.0',
    # Tables and plots; mmengine has asked for both all along.
    'rich>=13',
    'matplotlib>=3.7',
    # Pages of reports; torch needs it, too.
    'jinja2>=3.1',
    # Photos for `mmdmcp sensitivity`; torchvision needs it, too.
    'pillow>=9',
    # mmengine 0.10 imports pkg_resources, which setuptools 82 removed.
    'setuptools<82',
]

LITE = ['mmcv-lite>=2.0.0,<=2.1.0']  # mmpretrain >= 2.0.0, mmrazor <= 2.1.0
DEMO = ['scikit-learn>=1.3']  # the digits images are part of it
ONNX = ['onnx>=1.16', 'onnxruntime>=1.18', 'onnxscript>=0.1']
TIMM = ['timm>=1.0']  # for examples/prune_timm.py
TENSORBOARD = ['tensorboard>=2.12']  # MMEngine's TensorboardVisBackend
DOCS = ['mkdocs>=1.6', 'mkdocs-material>=9.5', 'mkdocstrings[python]>=0.26']
DEV = [
    'pytest>=8',
    'pytest-xdist>=3.5',
    'pytest-timeout>=2.3',
    'pytest-cov>=5',
    # `make lint`: style, spelling, types.
    'ruff>=0.9',
    'codespell>=2.3',
    'mypy>=1.14',
    'types-PyYAML',
    'pre-commit>=3.8',
    'hypothesis>=6.100',
    'wheel',
    # Only to check our channel groups against an independent tracer.
    'torch-pruning>=1.5,<2',
]
# ftfy and regex: mmsegmentation imports them without declaring them. mmcv is
# left out here too, since it must be compiled against the torch in use.
DOWNSTREAM = ['mmdet>=3.3,<3.4', 'mmsegmentation>=1.2.2,<1.3', 'ftfy', 'regex']
EXTRAS = {
    'lite': LITE,
    'demo': DEMO,
    'onnx': ONNX,
    'downstream': DOWNSTREAM,
    'docs': DOCS,
    'tensorboard': TENSORBOARD,
    'timm': TIMM,
    'dev': [*DEV, *DEMO, *TIMM],
}

# What OpenMMLab packages carry inside the package, under `.mim`.
SHIPPED = {
    'configs': ('*.py', '*.yaml', '*.yml', '*.json', '*.md', '*.pth'),
    'tools': ('*.py', '*.sh'),
}


def shipped_files():
    """Paths of the configs and tools, relative to the root."""
    for folder, patterns in SHIPPED.items():
        for pattern in patterns:
            for path in sorted((ROOT / folder).rglob(pattern)):
                yield path.relative_to(ROOT)
    # Where MMEngine and mim look for the metafiles of a package.
    yield Path('model-index.yml')


class BuildWithConfigs(build_py):
    """Copies configs and tools to ``mmdmcp/.mim`` of what is built.

    The source tree isn't touched, so editable installs (which run from the
    checkout, where the folders lie) need nothing.
    """

    def _targets(self):
        base = Path(self.build_lib, 'mmdmcp', '.mim')
        return [(path, base / path) for path in shipped_files()]

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for source, target in self._targets():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / source, target)

    def get_outputs(self, include_bytecode=True):
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return outputs + [str(target) for _, target in self._targets()]

    def get_source_files(self):
        # This is what puts them into source distributions.
        return super().get_source_files() + [str(p) for p in shipped_files()]


def read(name):
    path = ROOT / name
    return path.read_text(encoding='utf-8') if path.exists() else ''


# Read, not imported: importing needs what is about to be installed.
VERSION = re.search(
    r"^__version__ = '([^']+)'", read('mmdmcp/__init__.py'), re.MULTILINE
).group(1)

setup(
    name='mmdmcp',
    version=VERSION,
    description='Channel pruning for OpenMMLab models: DMCP and trainable gates',
    long_description=read('README.md'),
    long_description_content_type='text/markdown',
    keywords='channel pruning, model compression, DMCP, OpenMMLab, PyTorch',
    license='Apache-2.0',
    packages=find_packages(include=['mmdmcp', 'mmdmcp.*']),
    package_data={'mmdmcp': ['py.typed'], 'mmdmcp.report': ['*.jinja']},
    cmdclass={'build_py': BuildWithConfigs},
    # 3.10 is the oldest Python of torch 2.11; 3.12 the newest that mmrazor
    # has been tried on.
    python_requires='>=3.10,<3.13',
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['mmdmcp=mmdmcp.cli:main']},
    classifiers=[
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    zip_safe=False,
)
