// shows
