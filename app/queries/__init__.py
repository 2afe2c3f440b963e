"""All SQL of the app: functions that take a cursor and return rows. Imports no Flask.

Names are not qualified: the schema in use is the one in which the role's search_path finds them.
"""
