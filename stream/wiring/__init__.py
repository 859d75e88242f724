"""Makes the parts that a configuration names. The one place where its vocabulary meets the parts' own."""
