"""scim2-server with its own store in memory, behind waitress: its own command serves by wsgiref, one connection a request,
which would measure connecting."""

import sys

import waitress
from scim2_models import ScimProvider
from scim2_server.applications.wsgi import WSGIApplication
from scim2_server.memory import InMemoryStorage
from scim2_server.utils import load_default_resource_types, load_default_schemas, load_default_service_provider_config

PROVIDER = ScimProvider.from_discovery(
    load_default_schemas().values(),
    load_default_resource_types().values(),
    config=load_default_service_provider_config(),
)
waitress.serve(WSGIApplication(InMemoryStorage(), PROVIDER), host="127.0.0.1", port=int(sys.argv[1]), threads=4)
