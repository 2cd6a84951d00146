"""Import of tickets from files: ``reading`` finds the lines, ``mapping`` what they mean, ``running`` creates."""
