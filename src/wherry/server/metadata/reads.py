"""What is asked while requests are answered; see `statements`."""

from typing import Any

from sqlalchemy import BindParameter, bindparam, select

from wherry.server.metadata.schema import BlobState, blobs, manifests, repositories, repository_blobs, tags, uploads
from wherry.server.metadata.statements import Statement

__all__ = ["BLOB", "LEASE", "MANIFEST_BY_DIGEST", "MANIFEST_BY_TAG", "REFERRERS", "REFERRERS_OF_TYPE", "REPOSITORIES"]
__all__ += ["REPOSITORY", "TAGS", "UPLOAD", "UPLOADS", "UPLOADS_BEFORE"]


_repository: BindParameter[Any] = bindparam("repository")
_digest: BindParameter[Any] = bindparam("digest")
_after: BindParameter[Any] = bindparam("after")
_limit: BindParameter[Any] = bindparam("limit")
_subject: BindParameter[Any] = bindparam("subject")

_manifest = select(manifests.c.digest, manifests.c.media_type, manifests.c.content).where(
    repositories.c.name == _repository
)

MANIFEST_BY_TAG = Statement(
    _manifest.select_from(repositories.join(tags).join(manifests, tags.c.manifest_id == manifests.c.id)).where(
        tags.c.name == bindparam("tag")
    )
)
MANIFEST_BY_DIGEST = Statement(_manifest.select_from(repositories.join(manifests)).where(manifests.c.digest == _digest))

LEASE = Statement(
    select(manifests.c.leased)
    .select_from(repositories.join(manifests))
    .where(repositories.c.name == _repository, manifests.c.digest == _digest)
)

BLOB = Statement(
    select(blobs.c.size, repository_blobs.c.leased)
    .select_from(repositories.join(repository_blobs).join(blobs))
    .where(repositories.c.name == _repository, blobs.c.digest == _digest, blobs.c.state == BlobState.LIVE.value)
)

REPOSITORY = Statement(select(repositories.c.id).where(repositories.c.name == _repository))
REPOSITORIES = Statement(
    select(repositories.c.name).where(repositories.c.name > _after).order_by(repositories.c.name).limit(_limit)
)
TAGS = Statement(
    select(tags.c.name)
    .where(tags.c.repository_id == _repository, tags.c.name > _after)
    .order_by(tags.c.name)
    .limit(_limit)
)

_referrers = (
    select(manifests.c.id, manifests.c.referrer)
    .select_from(repositories.join(manifests))
    .where(repositories.c.name == _repository, manifests.c.subject == _subject, manifests.c.id > _after)
    .order_by(manifests.c.id)
    .limit(_limit)
)
REFERRERS = Statement(_referrers)
REFERRERS_OF_TYPE = Statement(_referrers.where(manifests.c.artifact_type == bindparam("artifact_type")))

UPLOAD = Statement(
    select(uploads.c.id, uploads.c.repository, uploads.c.algorithm, uploads.c.finished).where(
        uploads.c.id == bindparam("id")
    )
)
UPLOADS = Statement(
    select(uploads.c.id, uploads.c.repository, uploads.c.algorithm, uploads.c.touched)
    .where(uploads.c.finished.is_(None))
    .order_by(uploads.c.touched)
)
UPLOADS_BEFORE = Statement(select(uploads.c.id).where(uploads.c.touched < bindparam("moment")))
