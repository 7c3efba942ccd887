"""The AsyncAPI 3 document of the WebSocket interface, made from the structs that it speaks by."""

from roomlog.realtime.asyncapi.document import document, encoded

__all__ = ["document", "encoded"]
