"""What builds share: documents and trees, each kept once, encrypted, under its digest."""

from django.db import models

from promotion.engine.manifest import TreeDigests


class Blob(models.Model):
    """One document's exact source: compressed, encrypted, named by the SHA-256 of its bytes."""

    oid = models.CharField(max_length=64, primary_key=True)
    body = models.BinaryField()

    def __str__(self) -> str:
        return self.oid[:12]


class StoredTree(models.Model):
    """One resource's list of documents, encrypted: titles may tell what is nobody's business."""

    digest = models.CharField(max_length=64, primary_key=True)
    resource = models.CharField(max_length=60)
    exact = models.CharField(max_length=64)
    content = models.CharField(max_length=64)
    count = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField()
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.resource} {self.digest[:12]}"

    @property
    def digests(self) -> TreeDigests:
        return TreeDigests(self.digest, self.exact, self.content, self.count, self.size)


class StoredLinks(models.Model):
    """What the documents of a tree refer to, encrypted as the tree is."""

    tree = models.OneToOneField(
        StoredTree, primary_key=True, on_delete=models.CASCADE, related_name="kept_links"
    )
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"links of {self.tree_id[:12]}"
