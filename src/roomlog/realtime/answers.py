"""Answers in the order of what they answer, whenever each of them is known."""

from collections import deque
from collections.abc import Callable


class Answer:
    """One answer that is to come: a line, or nothing to say."""

    __slots__ = ("known", "line")

    def __init__(self) -> None:
        self.known = False
        self.line: bytes | None = None


class OrderedAnswers:
    """Says answers in the order in which they were expected."""

    def __init__(self, say: Callable[[bytes | None], None]) -> None:
        """`say` is called once for each, with None where there is nothing to say."""
        self._say = say
        self._expected: deque[Answer] = deque()

    def expect(self) -> Answer:
        """A place for an answer, behind all those before. `give` must follow."""
        answer = Answer()
        self._expected.append(answer)
        return answer

    def give(self, answer: Answer, line: bytes | None) -> None:
        """The answer is known: say it, and those that waited for it, once nothing before it is
        left. None: there is nothing to say."""
        answer.known, answer.line = True, line
        while self._expected and self._expected[0].known:
            self._say(self._expected.popleft().line)
