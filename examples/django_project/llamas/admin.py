"""Llamas in the admin."""

from django.contrib import admin

from llamas.models import Llama

admin.site.register(Llama)
