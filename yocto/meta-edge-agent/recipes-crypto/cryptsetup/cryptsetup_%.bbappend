# Keys come from the board, never over ssh; without this the box would carry an ssh library.
PACKAGECONFIG:remove:edge = "ssh-token"
