"""A scripted model behind five vendors' APIs: an upstream that is as strict as the real ones.

It shares no code with the program. `server.ModelServer` listens; a `scenario` decides what the model
says from nothing but the conversation it is sent, so any number of clients may talk to it at once.
"""
