//! Outbox to MQTT: the one place with the MQTT client.
