"""Imports the package and all its modules in a fresh Python, and checks that nothing of Ape came along.

A pharmacy's scanner answers in milliseconds; Ape takes seconds to load. `python -m tools.check_imports`.
"""

import json
import subprocess
import sys

# Beside the plugins of Ape, which all begin with "ape_".
UNWANTED = ("ape", "ethpm_types", "solcx", "pytest", "IPython", "eth_tester")

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import theriac
for module in pkgutil.walk_packages(theriac.__path__, "theriac."):
    importlib.import_module(module.name)
print(json.dumps(sorted(sys.modules)))
"""


def unwanted(modules: list[str]) -> list[str]:
    """Those top-level packages among the modules that the package must not load."""
    packages = {module.partition(".")[0] for module in modules}
    return sorted(name for name in packages if name in UNWANTED or name.startswith("ape_"))


def loaded_modules() -> list[str]:
    """The names of all modules that are loaded after the package and all its modules were imported."""
    answer = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(f"The package cannot be imported: {answer.stderr.strip().splitlines()[-1]}")

    modules: list[str] = json.loads(answer.stdout)
    return modules


def main() -> None:
    modules = loaded_modules()
    if found := unwanted(modules):
        sys.exit(f"Importing theriac loads {', '.join(found)}: import it where it is used, outside the package.")

    own = [module for module in modules if module.partition(".")[0] == "theriac"]
    print(f"{len(own)} modules of theriac load without Ape.")


if __name__ == "__main__":
    main()
