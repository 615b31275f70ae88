"""What every command needs: flags, whole files, locks, what the machine is, a full memory. Nothing of one command."""
