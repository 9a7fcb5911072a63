"""Hooks of MkDocs: links that leave the site, and Sphinx's roles.

On the place where the repository is read, ``../configs/x.py`` is a link. In
the site it would lead nowhere, so its text is left and the path is shown, after
making sure that there is such a file. Docstrings name classes as Sphinx reads
them, ``:class:`~mmdmcp.DMCP```: of those the name is left.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError

_LINK = re.compile(r'(?<!!)\[([^\]]+)\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)')
_ROLE = re.compile(r':(?:class|meth|func|mod|attr|data):(<code[^>]*>)~?')


def on_page_content(html: str, page, config, files) -> str:
    """Drop what would say 'class' in front of a class."""
    return _ROLE.sub(r'\1', html)


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Replace links that leave the folder of the documentation.

    Raises:
        PluginError: If there is no file where a link points.
    """
    docs = Path(config['docs_dir'])
    folder = (docs / page.file.src_path).parent

    def replace(match: re.Match) -> str:
        text, target, _ = match.groups()
        path = (folder / target).resolve()
        if path.is_relative_to(docs.resolve()):
            return match[0]
        if not path.exists():
            raise PluginError(f'{page.file.src_path}: there is no file at {target}')
        shown = posixpath.relpath(path.as_posix(), docs.parent.resolve().as_posix())
        plain = text.strip('`')
        return f'`{shown}`' if shown.endswith(plain) else f'{text} (`{shown}`)'

    return _LINK.sub(replace, markdown)
