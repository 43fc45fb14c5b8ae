"""Views of the inbox that somebody keeps: a name for a set of filters, for the own account alone."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from console.storage.base import Base

#: Views of one account, and letters of a name.
MOST_VIEWS, MOST_LETTERS = 30, 60


class SavedView(Base):
    """One view."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("account_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(String(MOST_LETTERS))
    query: Mapped[str] = mapped_column(Text)
    """The filters as the query of an address."""


class CannotKeep(ValueError):
    """A view that is not kept; the text says why."""


def views(session: Session, account_id: int) -> list[SavedView]:
    """Those of an account, by name."""
    query = select(SavedView).where(SavedView.account_id == account_id)
    return list(session.scalars(query.order_by(SavedView.name)))


def keep(session: Session, account_id: int, name: str, query: str) -> None:
    """Keep a view; one of the same name is replaced.

    Raises:
        CannotKeep: it has no name, or there are too many.
    """
    name = " ".join(name.split())
    if not name:
        raise CannotKeep("A view needs a name.")
    if len(name) > MOST_LETTERS:
        raise CannotKeep(f"A name has at most {MOST_LETTERS} letters.")
    own = SavedView.account_id == account_id
    found = session.scalar(select(SavedView).where(own, SavedView.name == name))
    if found is not None:
        found.query = query
        return
    if (session.scalar(select(func.count()).select_from(SavedView).where(own)) or 0) >= MOST_VIEWS:
        raise CannotKeep(f"You have {MOST_VIEWS} views already; remove one first.")
    session.add(SavedView(account_id=account_id, name=name, query=query))


def remove(session: Session, account_id: int, view_id: int) -> None:
    """Remove a view of the own account; nothing when there is none."""
    session.execute(delete(SavedView).where(SavedView.account_id == account_id, SavedView.id == view_id))
