"""The rows filled again from the topics in a second schema, and swapped for the live ones at one stroke.

In: the materialiser's topics. Out: tables in the place of the live ones. Promises: readers see the old rows or the new ones, never
none; what readers and operators wrote stays; views keep their grants, tables get those of the ones they replace.
"""
