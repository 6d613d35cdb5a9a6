#!/bin/sh
# Needs redis-cli 7. A user and a password may stand in REDIS; a password that
# needs %XX in a URL goes into REDISCLI_AUTH as it is.
redis=${REDIS:-redis://localhost:6379/0}
user=
case $redis in
*@*)
  login=${redis#*://} login=${login%@*} user=${login%%:*}
  # The password must not be on a command line, which everybody can read.
  case $login in *:*) export REDISCLI_AUTH="${login#*:}" ;; esac
  redis=${redis%%://*}://${redis##*@}
  ;;
esac
redis-cli -e -u "$redis" ${user:+--user "$user"} PUBLISH ws-emit \
  '{"event": "update", "room": "news", "data": {"title": "Grüße from redis-cli"}}'
