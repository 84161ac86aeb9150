"""The farm's pages."""

from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import FormView, TemplateView


class Llamas(LoginRequiredMixin, TemplateView):
    """The user's llamas, and a form for another one. Its script calls the API."""

    template_name = "llamas/llamas.html"


class SignUp(FormView):
    """A new user, who is logged in at once."""

    template_name = "registration/sign_up.html"
    form_class = UserCreationForm
    success_url = reverse_lazy("llamas")

    def form_valid(self, form: UserCreationForm) -> HttpResponse:
        """Make the user."""
        login(self.request, form.save())
        return super().form_valid(form)
