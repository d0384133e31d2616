"""Five answers to one question: where should a Flask app keep its state?"""

VARIANTS = ("plain_global", "flask_g", "locked_global", "sqlite_row", "redis_key")
