"""All files of a recipe, of its answers. Pure, and equal for equal answers."""

from environments.recipes.answers import Answers
from environments.recipes.compose import compose, env_example
from environments.recipes.firewall import data_servers, nftables, server
from environments.recipes.kubernetes import ingress, namespaces, servers
from environments.recipes.proxy import nginx
from environments.recipes.readme import file_name, readme


def files(answers: Answers) -> dict[str, str]:
    """Return the text of each file by its path, in the order that a person reads them in."""
    found = {"README.md": readme(answers)}
    for side in answers.sides:
        found[f"{side.name}/docker-compose.yaml"] = compose(answers, side)
        found[f"{side.name}/.env.example"] = env_example(answers, side)
        found[f"{side.name}/nftables.conf"] = nftables(server(answers, side))
        if side.is_production:
            found[f"{side.name}/nginx.conf"] = nginx(answers)
    for host, one in data_servers(answers).items():
        found[f"data/{file_name(host)}/nftables.conf"] = nftables(one)
    found["kubernetes/namespaces.yaml"] = namespaces(answers)
    for side in answers.sides:
        found[f"kubernetes/{side.name}.yaml"] = servers(answers, side)
    found["kubernetes/ingress.yaml"] = ingress(answers)
    return found
