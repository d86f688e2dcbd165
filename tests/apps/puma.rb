# One process, a few threads, one Unix socket, which is left alone at the end.
threads 8, 8
bind "unix://#{ENV.fetch("SOCKET")}?umask=0111"
environment "production"
log_requests false
quiet
rackup File.expand_path("puma.ru", __dir__)
