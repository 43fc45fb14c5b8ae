"""Back-tests: files, or a range of a topic, judged by the very stages that workers run.

Sources and agencies that have nothing to do with each other are judged side by side in processes; what
comes of the parts is what a replay of the whole gives, byte for byte.
"""
