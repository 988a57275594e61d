"""Page blobs by Microsoft's own client, for what the scenarios prepare and check. Not a part of the product.

usage: blob.py create NAME BYTES | upload NAME FILE | download NAME FILE | list
The connection string and the container come from BLOB_CONNECTION and BLOB_CONTAINER.
"""

import os
import sys

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

PIECE = 4 * 1024 * 1024  # the most that one Put Page carries


def container():
    # An API version that the pinned Azurite knows.
    service = BlobServiceClient.from_connection_string(os.environ["BLOB_CONNECTION"], api_version="2025-01-05")
    client = service.get_container_client(os.environ["BLOB_CONTAINER"])
    try:
        client.create_container()
    except ResourceExistsError:
        pass
    return client


def create(name, size):
    container().get_blob_client(name).create_page_blob(int(size))


def upload(name, path):
    blob = container().get_blob_client(name)
    blob.create_page_blob(os.path.getsize(path))
    with open(path, "rb") as source:
        offset = 0
        while piece := source.read(PIECE):
            if piece.strip(b"\0"):
                blob.upload_page(piece, offset, len(piece))
            offset += len(piece)


def download(name, path):
    blob = container().get_blob_client(name)
    with open(path, "wb") as target:
        target.truncate(blob.get_blob_properties().size)
        # What is in no range is zero, and not sent.
        for part in blob.list_page_ranges():
            target.seek(part.start)
            blob.download_blob(part.start, part.end - part.start + 1).readinto(target)


def list_blobs():
    for blob in container().list_blobs():
        print(blob.name, blob.size)


COMMANDS = {"create": create, "upload": upload, "download": download, "list": list_blobs}

if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
    sys.exit(__doc__)
COMMANDS[sys.argv[1]](*sys.argv[2:])
