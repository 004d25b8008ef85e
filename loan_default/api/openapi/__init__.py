"""The OpenAPI 3.1 document of both faces, made of the model's declaration and of the types of the answers.

document    all of it, as JSON-ready dictionaries; of the model that answers now, as JSON (`Described`)
calls       what each call takes and answers when all is well
shapes      named schemas, how each face wraps them, errors and headers
"""

from loan_default.api.openapi.document import Described, document

__all__ = ["Described", "document"]
