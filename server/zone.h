/*
 * Local time is that of global.timezone, as long as that config is in force. Main thread; first before there is
 * another.
 */
#ifndef SERVER_ZONE_H
#define SERVER_ZONE_H

/* "": UTC. */
void zone_set(const char *zone);

#endif
