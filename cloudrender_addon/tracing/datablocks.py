# SPDX-License-Identifier: GPL-3.0-or-later
"""References of the datablocks that are files themselves: images, clips, sounds, fonts, volumes, caches, libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .compat import is_archive
from .multiview import other_views
from .reference import Kind, Reference
from .usage import Usage

_IMAGE_KINDS = {"FILE": Kind.FILE, "MOVIE": Kind.FILE, "SEQUENCE": Kind.SEQUENCE, "TILED": Kind.TILES}


def datablock_references(data: Any, usage: Usage) -> Iterator[Reference]:
    """Yield the references of `bpy.data`, linked datablocks included."""
    yield from _libraries(data)
    for image in data.images:
        yield from _image(image, usage, data.scenes)
    for clip in data.movieclips:
        if clip.filepath:
            kind = Kind.SEQUENCE if clip.source == "SEQUENCE" else Kind.FILE
            yield _plain(clip, f"movie clip {clip.name}", kind=kind, needed=usage.is_rendered(clip))
    for sound in data.sounds:
        if sound.filepath and not sound.packed_file:
            yield _plain(sound, f"sound {sound.name}")
    for font in data.fonts:
        if font.filepath and font.filepath != "<builtin>" and not font.packed_file:
            yield _plain(font, f"font {font.name}")
    for volume in data.volumes:
        if volume.filepath and not volume.packed_file:
            yield _plain(volume, f"volume {volume.name}", kind=Kind.SEQUENCE if volume.is_sequence else Kind.FILE)
    for cache in data.cache_files:
        yield from _cache_file(cache)


def _plain(block: Any, owner: str, **more: Any) -> Reference:
    return Reference(owner=owner, block=block, path=block.filepath, **more)


def _libraries(data: Any) -> Iterator[Reference]:
    for library in data.libraries:
        if library.packed_file or is_archive(library):
            continue
        # Since 4.3 Blender links the brush in hand from its own assets: nothing that is rendered.
        needed = any(one.id_type != "BRUSH" for one in library.users_id)
        yield Reference(owner=f"library {library.name}", block=library, path=library.filepath, needed=needed)


def _image(image: Any, usage: Usage, scenes: Any) -> Iterator[Reference]:
    packed = image.packed_file or len(image.packed_files)
    if image.source in _IMAGE_KINDS and image.filepath and not packed:
        kind = _IMAGE_KINDS[image.source]
        needed = usage.is_rendered(image)
        yield _plain(image, f"image {image.name}", kind=kind, needed=needed)
        if needed and image.use_multiview and image.views_format == "INDIVIDUAL":
            for path in other_views(image.filepath, scenes):
                yield Reference(owner=f"image {image.name}", block=image, path=path, kind=kind, required=False)


def _cache_file(cache: Any) -> Iterator[Reference]:
    if cache.filepath:
        kind = Kind.SEQUENCE if cache.is_sequence else Kind.FILE
        yield _plain(cache, f"cache file {cache.name}", kind=kind)
    for layer in cache.layers:
        owner = f"layer of cache file {cache.name}"
        kind = Kind.SEQUENCE if cache.is_sequence else Kind.FILE
        yield Reference(owner=owner, block=cache, path=layer.filepath, kind=kind)
